#!/bin/sh
# plan --simulate: a recorded journal of five units that took 6, 4, 3, 2 and 1 s, as one chain and as five.
. "$(dirname "$0")/lib.sh"
data=$root/data/quickstart
cat >c.yaml <<END
model: $data/model.onnx
data: {calibration: $data/calibration.h5, samples: 32, preprocess: {mean: 0.5, std: 0.25}}
quantize: {weight_bits: 4, activation_bits: 32}
END
expect 0 "$program" run c.yaml -o chain -q
expect 0 "$program" run c.yaml -o free -q --set reconstruct.input=float
for run in chain free; do
    cp "$root/tests/cli/data/journal_6_4_3_2_1.jsonl" $run/journal.jsonl
done
# row WORD...: a row of the table
row() {
    tr -s ' ' <"$scratch/out" | grep -qF -- " $*" || complain "no row \"$*\""
}
find chain free -type f -exec cksum {} + | sort >before
# 8.5 ms to publish each result; two workers: 6 + 2 and 4 + 3 + 1 with three of them
expect 0 "$program" plan free --simulate 1,2,3,10
row 1 16.0 s 1.00 99.7 % 0.3 % workers
row 2 16.0 s 1.00
row 3 8.03 s 1.99
row 10 6.01 s 2.66
says "5 units of 1 run: the times of 5 are from the journal, of 0 estimated"
# a chain gains by teams alone
expect 0 "$program" plan chain --simulate 1,2,10000
row 1 16.0 s 1.00
row 2 16.0 s 1.00
grep -q '^10000 .* chain$' "$scratch/out" || complain "the chain is not the bottleneck"
# a unit that a team of four has solved takes longer by itself: between once and four times as long
cp "$root/tests/cli/data/journal_of_teams.jsonl" chain/journal.jsonl
expect 0 "$program" plan chain --simulate 1 --json
seconds=$(sed -n 's/.*"work_seconds": //p' "$scratch/out")
awk -v s="${seconds%,}" 'BEGIN { exit !(s > 17 && s < 64) }' || complain "the team's units are said to take $seconds s by themselves"
cp "$root/tests/cli/data/journal_of_no_team.jsonl" chain/journal.jsonl
refuse "had 0 ranks" plan chain --simulate 1
cp "$root/tests/cli/data/journal_6_4_3_2_1.jsonl" chain/journal.jsonl
# several runs in one folder go through one scheduler
mkdir sweep && cp -r chain sweep/a && cp -r free sweep/b && mkdir sweep/other
expect 0 "$program" plan sweep --simulate 1 --json
for line in '"work_seconds": 32' '"runs": 2' '"units": 10' '"measured": 10' '"transport": "shared"' '"bottleneck": "workers"'; do
    says "$line"
done
# without a journal: estimates; with a part of it: at the rate of that part
: >sweep/a/journal.jsonl
expect 0 "$program" plan sweep/a --simulate 1
says "(nothing is measured yet)"
head -n 1 chain/journal.jsonl >sweep/a/journal.jsonl
expect 0 "$program" plan sweep/a --simulate 1
says "the times of 1 are from the journal, of 4 estimated"
# activations travel with run.transport: message
sed 's/"transport": "shared"/"transport": "message"/' chain/config.json >sweep/a/config.json
grep -q '"message"' sweep/a/config.json || complain "config.json has no transport"
expect 0 "$program" plan sweep/a --simulate 2 --json
says '"transport": "message"'
# looking changes nothing, under mpirun either
expect 0 mpirun -n 2 "$program" plan free --simulate 3
row 3 8.03 s 1.99
find chain free -type f -exec cksum {} + | sort >after
cmp -s before after || complain "a folder has changed"
# what cannot be done
for ranks in 0 1,,2 1,2, -1 x 1x 100001 ' 1'; do
    refuse "numbers of ranks from 1 to 100000" plan free "--simulate=$ranks"
done
refuse "at most 64 numbers" plan free --simulate "$(seq -s, 65)"
refuse "--json needs --simulate" plan free --json
refuse "no run directory" plan none --simulate 1
refuse "holds no run that is planned" plan sweep/other --simulate 1
sed 's/6.0/7.0/' free/journal.jsonl >sweep/b/journal.jsonl
refuse "line 1: wrong checksum" plan sweep/b --simulate 1
finish
