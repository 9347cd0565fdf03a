#!/bin/sh
# Folders of images and the files packed from them give the same run; bad images are refused or left out.
. "$(dirname "$0")/lib.sh"
golden=$root/tests/golden/images
mkdir folder
: >folder/labels.txt
label=0
for file in "$golden"/*.png; do
    cp "$file" folder
    echo "$(basename "$file") $((label % 10))" >>folder/labels.txt
    label=$((label + 1))
done
steps="resize: 40, crop: 32"
write() {
    cat >c.yaml <<END
model: $root/data/quickstart/model.onnx
data: {calibration: $1, evaluation: $1, samples: 9, preprocess: {$2, color: bgr, mean: 0.5, std: 0.25}}
quantize: {weight_bits: 4, activation_bits: 8}
END
}
metric() {
    sed -n "s/.*\"$2\": \([-0-9][-0-9.e]*\).*/\1/p" "$1/metrics.json" | tr '\n' ' '
}
# same_run A B: the same bytes and the same accuracy
same_run() {
    for file in "$1"/units/*.h5 "$1/model.onnx"; do
        cmp -s "$file" "$2/${file#"$1/"}" || complain "$2/${file#"$1/"} differs"
    done
    for key in images top1 top5 agreement logit_nmse nmse_before nmse_after; do
        [ "$(metric "$1" $key)" = "$(metric "$2" $key)" ] || complain "$2 has another $key"
    done
    [ "$(metric "$1" images)" = "$label " ] || complain "$1 has other images"
}

# the packed file does for the configuration that it was packed with, for one without its steps, and for no other
for steps in "resize: 40, crop: 32" "letterbox: 32, pad: 7"; do
    rm -rf one two packed.h5
    write folder "$steps"
    expect 0 "$program" run c.yaml -o one -q
    expect 0 "$program" pack folder -o packed.h5 -c c.yaml
    write packed.h5 "$steps"
    expect 0 "$program" run c.yaml -o two -q
    same_run one two
done
refuse "packed.h5 was packed with resize 0, crop 0, letterbox 32, pad 7" run c.yaml -o three -q --set data.preprocess.pad=114
refuse "letterbox 32 excludes resize and crop" run c.yaml -o three -q --set data.preprocess.crop=32
write packed.h5 "scale: 0.00392156862745098"
expect 0 "$program" run c.yaml -o three -q
same_run one three

# bad images end a command with status 2 and their name, or are left out and named
steps="resize: 40, crop: 32"
cp -r folder bad
head -c 700 "$golden/rgb.png" >bad/rgb.png
head -c 800 "$golden/rgb.jpg" >bad/truncated.jpg
: >bad/empty.jpg
echo "a text that was renamed" >bad/text.jpg
printf '\211PNG\r\n\032\n\0\0\0\rIHDR\0\0\116\040\0\0\116\040\10\2\0\0\0' >bad/huge.png
{ printf 'empty.jpg 1\ntext.jpg 2\n' && cat folder/labels.txt && printf 'truncated.jpg 3\nhuge.png 4\n'; } >bad/labels.txt
write bad "$steps"
model=$root/data/quickstart/model.onnx
refuse "empty.jpg: neither JPEG nor PNG (0 bytes)" run c.yaml -o five -q
refuse "empty.jpg: neither JPEG nor PNG (0 bytes)" evaluate "$model" -c c.yaml -q
refuse "empty.jpg: neither JPEG nor PNG (0 bytes)" pack bad -o bad.h5 -c c.yaml
[ ! -e bad.h5 ] && [ ! -e five/model.onnx ] || complain "a result in spite of the error"
grep -v rgb.png folder/labels.txt >without.txt
cp -r folder without
cp without.txt without/labels.txt
expect 0 "$program" pack without -o without.h5 -c c.yaml
expect 0 "$program" pack bad -o bad.h5 -c c.yaml --set data.on_bad_image=skip
cmp -s without.h5 bad.h5 || complain "packed without the bad images, the file differs"
for name in empty.jpg text.jpg rgb.png truncated.jpg huge.png; do
    grep -q "^left out: .*/$name: " "$scratch/err" || grep -q "left out: bad/$name: " "$scratch/err" || complain "$name is not named"
done
grep -q "bad: 5 images cannot be used" "$scratch/err" || complain "the bad images are not counted"
expect 0 "$program" evaluate "$model" -c c.yaml --json --set data.on_bad_image=skip
says '"bad_images": 5'
says "\"images\": $((label - 1))"
expect 0 "$program" evaluate "$model" -c c.yaml --json -d bad.h5
says '"bad_images": 0'
rm -rf one two
expect 0 "$program" run c.yaml -o one -q --set data.on_bad_image=skip
write without "$steps"
expect 0 "$program" run c.yaml -o two -q
label=$((label - 1))
same_run one two
# a 1x1 image is an image where it can be resized
mkdir dot
base64 -d >dot/1.png <<END
iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==
END
expect 0 "$program" evaluate "$model" --data dot -q --set data.preprocess.resize=32 --set data.preprocess.crop=32
expect 0 "$program" evaluate "$model" --data dot -q --set data.preprocess.letterbox=32
refuse "1.png: crop 32 does not fit into 1x1 pixels" evaluate "$model" --data dot -q --set data.preprocess.crop=32
refuse "none of 1 images can be used" evaluate "$model" --data dot -q --set data.preprocess.crop=32 --set data.on_bad_image=skip
finish
