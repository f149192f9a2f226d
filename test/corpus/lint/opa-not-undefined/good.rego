package guard

default allow := false

allow if count(deny) == 0

deny contains "no calldata" if not is_call

is_call if startswith(input.data, "0x")
