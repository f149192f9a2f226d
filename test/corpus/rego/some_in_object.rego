# case: {"input": {"from": "0x1"}, "data": {"params": {"roles": {"admin": ["0x1"], "user": ["0x2"]}}}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"from": "0x2"}, "data": {"params": {"roles": {"admin": ["0x1"], "user": ["0x2"]}}}, "expect": {"kind": "undefined"}}
package corpus.sio
allow if {
	some role, members in data.params.roles
	role == "admin"
	input.from in members
}
