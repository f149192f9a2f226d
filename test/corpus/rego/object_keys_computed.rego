# case: {"input": {"asset": "eth", "amount": 1}, "data": {"params": {"max_eth": 2}}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"asset": "eth", "amount": 3}, "data": {"params": {"max_eth": 2}}, "expect": {"kind": "undefined"}}
package corpus.ok
allow if {
	key := concat("_", ["max", input.asset])
	input.amount <= data.params[key]
}
