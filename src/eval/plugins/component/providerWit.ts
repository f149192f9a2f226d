/**
 * The world of plugins, as WIT text. The types are the operators' host interface, field for field.
 */

const http = `interface http {
  record http-request {
    url: string,
    method: string,
    headers: list<tuple<string, string>>,
    body: option<list<u8>>,
  }
  record http-response {
    status: u16,
    headers: list<tuple<string, string>>,
    body: list<u8>,
  }
  fetch: func(request: http-request) -> result<http-response, string>;
}
`

/** WIT of newton:provider by version. */
export const providerWit: Readonly<Record<'0.1' | '0.2', string>> = {
  '0.1': `package newton:provider@0.1.0;

${http}
world newton-provider {
  import http;
  export run: func(input: string) -> result<string, string>;
}
`,
  '0.2': `package newton:provider@0.2.0;

${http}
interface secrets {
  record secret-response {
    value: list<u8>,
  }
  get: func() -> result<secret-response, string>;
}

interface tlsn {
  record verified-data {
    server-name: string,
    connection-time: u64,
    sent-transcript: list<u8>,
    received-transcript: list<u8>,
    notary-key-fingerprint: string,
  }
  verify-from-cid: func(proof-cid: string) -> result<verified-data, string>;
  verify: func(presentation-bytes: list<u8>) -> result<verified-data, string>;
}

world newton-provider {
  import http;
  import secrets;
  import tlsn;
  export run: func(input: string) -> result<string, string>;
}
`,
}
