# case: {"input": {"by": {"eth": [1, 2], "btc": [9]}}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"by": {"eth": [1]}}, "data": {}, "expect": {"kind": "undefined"}}
package corpus.co
totals := {k: sum(v) | some k, v in input.by}
allow if totals.eth == 3
