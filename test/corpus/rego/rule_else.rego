# case: {"input": {"tier": "gold"}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"tier": "silver"}, "data": {}, "expect": {"kind": "defined", "allow": false, "reasons": []}}
# case: {"input": {"tier": "x", "fallback": true}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"tier": "x"}, "data": {}, "expect": {"kind": "undefined"}}
package corpus.e
allow := true if {
	input.tier == "gold"
} else := false if {
	input.tier == "silver"
} else := input.fallback
