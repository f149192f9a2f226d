package guard

default allow := false

allow if count(deny) == 0

deny contains "the value is too high" if to_number(input.value) >= 1000

deny contains "there is no value" if not input.value
