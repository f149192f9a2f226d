# case: {"input": {"xs": [1, 2]}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"xs": []}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"xs": [1, 0]}, "data": {}, "expect": {"kind": "undefined"}}
package corpus.ev
allow if every x in input.xs { x > 0 }
