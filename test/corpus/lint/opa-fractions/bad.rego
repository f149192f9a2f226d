package guard

default allow := false

allow if count(deny) == 0

deny contains "the fee is off" if not exact

exact if to_number(input.value) * 0.1 == data.params.fee
