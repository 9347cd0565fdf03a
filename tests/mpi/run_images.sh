#!/bin/bash
# Folders of JPEG and PNG files with bad ones among them: a run ends with status 2 on all ranks, or leaves them out and writes the bytes of a
# run on a folder without them.
set -eu
. "$(dirname "$0")/run_lib.sh"
golden=$(cd "$(dirname "$0")/../golden/images" && pwd)

"$driver" make "$inputs"
steps="data.preprocess.resize=12 data.preprocess.crop=12"
good=$scratch/good
mixed=$scratch/mixed
mkdir "$good" "$mixed"
n=0
for round in 1 2; do
    for file in "$golden"/*.png "$golden"/*.jpg; do
        name=$(printf '%03d.img.jpg' $((n * 2 + 1)))
        cp "$file" "$good/$name"
        cp "$file" "$mixed/$name"
        n=$((n + 1))
    done
done
[ $n -ge 50 ] || fail "only $n images"
# The first image, one that rank 1 of 3 finds, two neighbours, one behind the 40 that are used; what is wrong differs.
: >"$mixed/000.jpg"
echo "a text that was renamed" >"$mixed/020.jpg"
head -c 800 "$golden/rgb.jpg" >"$mixed/022.jpg"
printf '\211PNG\r\n\032\n\0\0\0\rIHDR\0\0\116\040\0\0\116\040\10\2\0\0\0' >"$mixed/050.png"
head -c 1000 "$golden/deep.png" >"$mixed/095.png"
bad=4

# quiet RANKS WORD...: a run on `folder` with its images used for the evaluation, too
quiet() {
    local ranks=$1 folder=$2 out=$3
    shift 3
    ranks "$ranks" run "$inputs" "$out" "data.calibration=$folder" "data.evaluation=$folder" $steps "$@"
}
metric() {
    sed -n "s/.*\"$2\": \([-0-9][-0-9.e]*\).*/\1/p" "$1/metrics.json" | head -n 1
}

quiet 1 "$good" "$scratch/reference"
expect_status 0 "a folder of good images"
for transport in shared message; do
    for n in 1 3; do
        what="bad images left out, $n ranks, $transport"
        quiet $n "$mixed" "$scratch/out" data.on_bad_image=skip run.transport=$transport
        expect_status 0 "$what"
        same_results "$scratch/reference" "$scratch/out" "$what"
        for name in 000.jpg 020.jpg 022.jpg 050.png 095.png; do
            expect_text "left out: .*/$name: " "$what"
        done
        expect_text "data.calibration: $bad images cannot be used" "$what"
        expect_text "data.evaluation: 5 images cannot be used" "$what"
        [ "$(tr -d ' \n' <"$scratch/out/plan.json" | grep -o '"bad_images":\[[^]]*\]')" = '"bad_images":[0,11,13,28]' ] ||
            fail "$what: $(grep -A 6 bad_images "$scratch/out/plan.json")"
        [ "$(metric "$scratch/out" calibration)" = $bad ] && [ "$(metric "$scratch/out" evaluation)" = 5 ] || fail "$what: metrics.json"
        for key in images logit_nmse agreement; do
            [ "$(metric "$scratch/out" $key)" = "$(metric "$scratch/reference" $key)" ] || fail "$what: another $key"
        done
        cp "$scratch/out/plan.json" "$scratch/plan.$n"
        rm -rf "$scratch/out.$transport"
        mv "$scratch/out" "$scratch/out.$transport"
    done
    cmp "$scratch/plan.1" "$scratch/plan.3" || fail "plan.json depends on the number of ranks"
done

# A resume uses the images that were chosen, whatever has become of the others since.
cp "$golden/rgb.png" "$mixed/020.jpg"
cp -r "$scratch/out.shared" "$scratch/again"
rm -r "$scratch/again/cache" "$scratch/again/units" "$scratch/again/model.onnx"
quiet 3 "$mixed" "$scratch/again" resume data.on_bad_image=skip
expect_status 0 "resumed"
same_results "$scratch/reference" "$scratch/again" "resumed"
quiet 3 "$mixed" "$scratch/again" resume
expect_status 2 "resumed with another rule"
expect_text "data.on_bad_image" "resumed with another rule"
echo "a text that was renamed" >"$mixed/020.jpg"

# By default each of them ends the run, on all ranks, whichever finds it; the folder resumes when the image is whole again.
for name in 000.jpg 020.jpg 022.jpg 050.png; do
    one=$scratch/one
    cp -r "$good" "$one"
    cp "$mixed/$name" "$one/$name"
    quiet 3 "$one" "$scratch/fail"
    expect_status 2 "$name"
    expect_text "error: .*/$name: " "$name"
    [ "$(grep -c "error: " "$scratch/log")" = 1 ] || fail "$name: not one error"
    [ ! -e "$scratch/fail/units" ] && [ ! -e "$scratch/fail/model.onnx" ] || fail "$name: a result in spite of the error"
    no_leftovers "$scratch/fail" "$name"
    rm -rf "$one" "$scratch/fail"
done
# So does one that only the evaluation meets.
ranks 3 run "$inputs" "$scratch/late" "data.calibration=$good" "data.evaluation=$mixed" $steps
expect_status 2 "a bad evaluation image"
[ ! -e "$scratch/late/metrics.json" ] || fail "a bad evaluation image and metrics.json"

# Too few good ones; none at all.
quiet 3 "$mixed" "$scratch/few" data.on_bad_image=skip data.samples=$(($(ls "$mixed" | wc -l) - 4))
expect_status 2 "too few good images"
expect_text "images asked for, $(ls "$good" | wc -l) are there" "too few good images"
rm "$mixed"/*.img.jpg
quiet 3 "$mixed" "$scratch/none" data.on_bad_image=skip data.samples=2
expect_status 2 "no good image"
expect_text "none of 5 images can be used; the first: .*000.jpg" "no good image"
