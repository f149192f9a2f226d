# case: {"input": {"to": "0x1"}, "data": {"params": {"allowed": ["0x1"]}}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"to": "0x2", "flags": {"admin": "yes"}}, "data": {"params": {"allowed": []}}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"to": "0x2"}, "data": {"params": {"allowed": ["0x1"]}}, "expect": {"kind": "undefined"}}
package corpus.i
allow if input.to in data.params.allowed
allow if "admin", "yes" in input.flags
