package guard

default allow := false

allow if to_number(input.value) < 1000
