package guard

default allow := false

allow if {
	is_string(input.to)
	count(deny) == 0
}

deny contains "the recipient is blocked" if lower(input.to) == "0xff"
