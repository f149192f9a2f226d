# case: {"input": {"to": "0x1", "function_signature": "0xa9059cbb", "decoded_function_arguments": ["0xAB", "5"]}, "data": {"params": {"rules": [{"to": "0x1", "selectors": ["0xa9059cbb"], "recipients": ["0xab"]}]}}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"to": "0x1", "function_signature": "0xa9059cbb", "decoded_function_arguments": ["0xCD", "5"]}, "data": {"params": {"rules": [{"to": "0x1", "selectors": ["0xa9059cbb"], "recipients": ["0xab"]}]}}, "expect": {"kind": "defined", "allow": false, "reasons": ["not on the list"]}}
# case: {"input": {"to": "0x2"}, "data": {"params": {"rules": [{"to": "0x2", "selectors": []}]}}, "expect": {"kind": "defined", "allow": false, "reasons": ["not on the list"]}}
package guard.selectors
default allow := false
allow if {
	some rule in data.params.rules
	rule.to == input.to
	input.function_signature in rule.selectors
	arguments_fit(rule)
}
arguments_fit(rule) if not rule.recipients
arguments_fit(rule) if lower(input.decoded_function_arguments[0]) in rule.recipients
deny contains "not on the list" if not allow
