package guard

default allow := false

allow if count(deny) == 0

deny contains "not a contract call" if not startswith(input.data, "0x")
