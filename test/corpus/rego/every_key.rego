# case: {"input": {"limits": {"max_a": 1}}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"limits": {"min_a": 1}}, "data": {}, "expect": {"kind": "undefined"}}
package corpus.evk
allow if every k, v in input.limits {
	startswith(k, "max_")
	v > 0
}
