# case: {"input": {}, "data": {"params": {"from_hour": 20, "to_hour": 23}}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {}, "data": {"params": {"from_hour": 8, "to_hour": 17}}, "expect": {"kind": "defined", "allow": false, "reasons": ["outside trading hours"]}}
package guard.window
default allow := false
hour := time.clock(time.now_ns())[0]
day := time.weekday(time.now_ns())
allow if count(deny) == 0
deny contains "outside trading hours" if not within
deny contains "weekend" if day in {"Saturday", "Sunday"}
within if {
	hour >= data.params.from_hour
	hour < data.params.to_hour
}
