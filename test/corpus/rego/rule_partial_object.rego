# case: {"input": {"asset": "usd", "amount": 5}, "data": {"params": {"limits": [{"name": "usd", "limit": 10}, {"name": "eur", "limit": 1}]}}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"asset": "eur", "amount": 5}, "data": {"params": {"limits": [{"name": "eur", "limit": 1}]}}, "expect": {"kind": "undefined"}}
package corpus.o
limits[name] := limit if {
	some entry in data.params.limits
	name := entry.name
	limit := entry.limit
}
allow if input.amount <= limits[input.asset]
