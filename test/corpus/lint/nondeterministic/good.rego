package guard

default allow := false

allow if {
	is_string(input.to)
	count(deny) == 0
}

deny contains "too early" if time.now_ns() < 1700000000000000000
