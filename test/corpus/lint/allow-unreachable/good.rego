package guard

default allow := false

allow if {
	count(deny) == 0
	1 == 1
}

deny contains "no recipient" if not input.to
