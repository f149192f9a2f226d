# case: {"input": {"n": 85}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"n": 95}, "data": {}, "expect": {"kind": "undefined"}}
# case: {"input": {"n": 1}, "data": {}, "expect": {"kind": "undefined"}}
package corpus.fe
grade(n) := "a" if {
	n > 90
} else := "b" if {
	n > 80
} else := "c"
allow if grade(input.n) == "b"
