package guard

default allow := false

allow if count(deny) == 0

deny contains "the value is too high" if not within

within if to_number(input.value) <= data.params.max_value
