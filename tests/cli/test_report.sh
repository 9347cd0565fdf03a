#!/bin/sh
# uwc report: tables and a page from metrics.json and sweep.json, also from broken ones.
. "$(dirname "$0")/lib.sh"
data=$root/tests/cli/data
mkdir run sweep
cp "$data/metrics.json" run
cp "$data/sweep.json" sweep
has() {
    grep -qF -- "$2" "$1" || complain "no \"$2\" in $1"
}
expect 0 "$program" report run
says "91.62 %"
says "0.01823"
says "12.5 forward passes"
page=run/report.html
has $page "Calibration of net &lt;1&gt; &amp; &quot;two&quot;.onnx"
has $page "block&lt;1&gt;"
has $page "0.0001"
has $page "&quot;weight_bits&quot;: 4"
grep -qiE '<script|https?://|src=' $page && complain "the page loads something"
[ "$(grep -c '<rect class="before"' $page)" = 3 ] || complain "not three bars before"
[ "$(grep -c '<rect class="after"' $page)" = 2 ] || complain "not two bars after (null has none)"
expect 0 "$program" report run -q
[ ! -s "$scratch/out" ] || complain "-q prints"
expect 0 "$program" report sweep
grep -qE '^\* +2 bit .*80\.00 %' "$scratch/out" || complain "2 bits are optimal"
grep -qE '^\* +3 bit .*90\.00 %' "$scratch/out" || complain "3 bits are optimal"
grep -qE '^ +4 bit .*89\.00 %' "$scratch/out" || complain "4 bits are not"
has sweep/report.html "<circle class=\"after\""
[ "$(grep -c '<circle' sweep/report.html)" = 3 ] || complain "not three points"
# files from outside
for text in '' '{' '[]' '3' '"x"' '{"units": 3}' '{"units": [3, {"name": 4}]}' '{"float": [1], "bytes": "x"}'; do
    printf '%s' "$text" >run/metrics.json
    try "$program" report run
    [ "$status" = 0 ] || [ "$status" = 2 ] || complain "status $status for $text"
    [ "$status" = 0 ] || [ "$(wc -l <"$scratch/err")" = 1 ] || complain "not one line for $text"
done
printf '{"float": ' >run/metrics.json
refuse "metrics.json" report run
printf '{"a": 1}' >sweep/sweep.json
try "$program" report sweep
[ "$status" = 0 ] || [ "$status" = 2 ] || complain "status $status"
finish
