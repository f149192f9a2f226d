# case: {"input": {"xs": [1]}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"xs": []}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": ["none"]}}
package corpus.imf

import future.keywords.contains
import future.keywords.every
import future.keywords.if
import future.keywords.in

allow if every x in input.xs { x in {1, 2} }

deny contains "none" if count(input.xs) == 0
