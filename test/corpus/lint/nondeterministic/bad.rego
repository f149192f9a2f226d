package guard

default allow := false

allow if count(deny) == 0

deny contains "listed" if http.send({"method": "get", "url": input.to}).status_code != 404
