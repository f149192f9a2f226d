# case: {"input": {"to": "0x1"}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"to": "0xff"}, "data": {}, "expect": {"kind": "undefined"}}
package corpus.no
allow if not blocked
blocked if input.to in {"0xff"}
