# case: {"input": {"function_signature": "0xa9059cbb"}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"function_signature": "0x095ea7b3"}, "data": {}, "expect": {"kind": "undefined"}}
# case: {"input": {"function_signature": "0x00000000"}, "data": {}, "expect": {"kind": "undefined"}}
package corpus.fp
kind("0xa9059cbb") := "transfer"
kind("0x095ea7b3") := "approve"
allow if kind(input.function_signature) == "transfer"
