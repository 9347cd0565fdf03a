#!/bin/sh
# Packing pictures: two PNG files of 4 x 4 and 6 x 4 pixels in class folders.
. "$(dirname "$0")/lib.sh"
mkdir -p images/a images/b
base64 -d >images/a/one.png <<END
iVBORw0KGgoAAAANSUhEUgAAAAQAAAAECAIAAAAmkwkpAAAAP0lEQVR42gE0AMv/AKwKf4wvqsSXdaYWtwDAzCHYQ7NOmvtSotsAw3Z9i2d95dgJpHRsANPeoZ8VUVml8tZmYp/rGl9omNVKAAAAAElFTkSuQmCC
END
base64 -d >images/b/two.png <<END
iVBORw0KGgoAAAANSUhEUgAAAAYAAAAECAIAAAAiZtkUAAAAV0lEQVR42gFMALP/ACX0wWrrgEf/jC9nuEgUvO7/fgAHAInDzCDLqmVNhR7B/0/LkSUAwFNwPJCAoxeBUIZlzL+uL0ceAE5j7ap2WPx5dKuGjZJlGX1/74WwJLbmNxenAAAAAElFTkSuQmCC
END
refuse "images" pack images -o x.h5
[ ! -e x.h5 ] || complain "a result in spite of the error"
expect 0 "$program" pack images -o x.h5 --set data.preprocess.crop=4
expect 0 "$program" pack images -o y.h5 --set data.preprocess.crop=4
cmp -s x.h5 y.h5 || complain "two packs differ"
cat >c.yaml <<END
data: {preprocess: {crop: 4}}
END
expect 0 "$program" pack images -o z.h5 -c c.yaml
cmp -s x.h5 z.h5 || complain "--config and --set differ"
# a truncated picture
head -c 32 images/a/one.png >images/b/two.png
refuse "two.png" pack images -o t.h5 --set data.preprocess.crop=4
[ ! -e t.h5 ] || complain "a result in spite of the error"
rm -r images/b
refuse "no_such" pack images -o no_such/x.h5 --set data.preprocess.crop=4
finish
