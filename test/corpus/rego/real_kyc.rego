# case: {"input": {}, "data": {"params": {"blocked_countries": ["XX"]}, "wasm": {"kyc": {"status": "approved", "expires_at": "2030-01-01T00:00:00Z", "country": "DE", "age": 20}}}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {}, "data": {"params": {"blocked_countries": ["XX"], "min_age": 21}, "wasm": {"kyc": {"status": "pending", "expires_at": "2020-01-01T00:00:00Z", "country": "XX", "age": 20}}}, "expect": {"kind": "defined", "allow": false, "reasons": ["country", "expired", "not verified", "too young"]}}
package guard.kyc
default allow := false
p := data.wasm.kyc
allow if count(deny) == 0
deny contains "not verified" if not p.status == "approved"
deny contains "expired" if time.parse_rfc3339_ns(p.expires_at) <= time.now_ns()
deny contains "country" if p.country in data.params.blocked_countries
deny contains "too young" if p.age < object.get(data.params, "min_age", 18)
