# case: {"input": {"value": 5}, "data": {"params": {"max_per_transaction": 10, "max_per_day": 20}, "wasm": {"spent_today": 3}}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"value": "15"}, "data": {"params": {"max_per_transaction": 10, "max_per_day": 20}, "wasm": {"spent_today": 3}}, "expect": {"kind": "defined", "allow": false, "reasons": ["above the limit per transaction"]}}
# case: {"input": {"value": 9}, "data": {"params": {"max_per_transaction": 10, "max_per_day": 20}, "wasm": {}}, "expect": {"kind": "defined", "allow": false, "reasons": ["spending is unknown"]}}
# case: {"input": {"value": 9}, "data": {"params": {"max_per_transaction": 10, "max_per_day": 20}, "wasm": {"spent_today": 12}}, "expect": {"kind": "defined", "allow": false, "reasons": ["above the daily limit"]}}
package guard.spending
default allow := false
t := data.params
allow if count(deny) == 0
value := to_number(input.value)
deny contains "no value" if not input.value
deny contains "above the limit per transaction" if value > t.max_per_transaction
deny contains "above the daily limit" if value + data.wasm.spent_today > t.max_per_day
deny contains "spending is unknown" if not is_number(data.wasm.spent_today)
