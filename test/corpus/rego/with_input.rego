# case: {"input": {}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
package corpus.w
inner if input.x == 1
allow if inner with input.x as 1
