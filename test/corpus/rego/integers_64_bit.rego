# case: {"inputText": "{\"value\":18446744073709551615}", "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"inputText": "{\"value\":9007199254740993}", "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"inputText": "{\"value\":9007199254740992}", "data": {}, "expect": {"kind": "undefined"}}
package corpus.i64
allow if input.value == 18446744073709551615
allow if input.value == 9007199254740993
