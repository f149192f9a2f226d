package guard

default allow := false

allow if {
	is_string(input.to)
	not blocked
}

blocked if input.to in {"0x00000000000000000000000000000000000000ff"}

deny contains "blocked recipient" if blocked
