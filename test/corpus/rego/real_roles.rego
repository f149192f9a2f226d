# case: {"input": {"from": "0x1", "function": {"name": "pause"}}, "data": {"params": {"roles": {"admin": ["0x1"]}, "inherits": {"admin": ["operator"], "operator": []}, "grants": {"operator": ["pause"], "admin": []}}}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"from": "0x1", "function": {"name": "upgrade"}}, "data": {"params": {"roles": {"admin": ["0x1"]}, "inherits": {"admin": ["operator"], "operator": []}, "grants": {"operator": ["pause"], "admin": []}}}, "expect": {"kind": "defined", "allow": false, "reasons": ["none of admin,operator may call upgrade"]}}
package guard.roles
default allow := false
roles contains role if {
	some role, members in data.params.roles
	input.from in members
}
reachable := graph.reachable(data.params.inherits, roles)
allow if {
	some role in reachable
	input.function.name in data.params.grants[role]
}
deny contains message if {
	not allow
	names := concat(",", sort([r | some r in reachable]))
	message := sprintf("none of %s may call %s", [names, input.function.name])
}
