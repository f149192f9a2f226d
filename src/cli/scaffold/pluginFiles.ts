/** The plugin of a new project, in JavaScript or in Rust. */
import { providerWit } from '../../eval/index.js'

const javascript = `// Says whether an address is on the list of the plugin's params.
// A plugin can also ask a service: see "HTTP" in the documentation of plugins.
export function run(input) {
  const { address, _newton } = JSON.parse(input)
  if (!/^0x[0-9a-f]{40}$/i.test(address)) throw 'address is not 20 bytes of hex'
  const list = _newton?.params?.blocked
  // No list is an error, and never an answer that says "not blocked".
  if (!Array.isArray(list)) throw 'params.blocked is missing'
  const asked = address.toLowerCase()
  return JSON.stringify({ screening: { address: asked, blocked: list.includes(asked) } })
}
`

const rust = `//! Says whether an address is on the list of the plugin's params.

use serde_json::{json, Value};

wit_bindgen::generate!({ world: "newton-provider", path: "wit" });

struct Plugin;

export!(Plugin);

impl Guest for Plugin {
    fn run(input: String) -> Result<String, String> {
        let input: Value = serde_json::from_str(&input).map_err(|e| format!("input: {e}"))?;
        let address = input
            .get("address")
            .and_then(Value::as_str)
            .ok_or("address is missing")?
            .to_lowercase();
        // No list is an error, and never an answer that says "not blocked".
        let list = input
            .pointer("/_newton/params/blocked")
            .and_then(Value::as_array)
            .ok_or("params.blocked is missing")?;
        let blocked = list.iter().any(|entry| entry.as_str() == Some(address.as_str()));
        Ok(json!({ "screening": { "address": address, "blocked": blocked } }).to_string())
    }
}
`

const cargo = `[package]
name = "screening"
version = "0.1.0"
edition = "2021"
publish = false

[lib]
crate-type = ["cdylib"]

[dependencies]
serde_json = { version = "=1.0.145", default-features = false, features = ["alloc"] }
wit-bindgen = { version = "=0.46.0", default-features = false, features = ["macros", "realloc"] }

[profile.release]
opt-level = "s"
lto = true
codegen-units = 1
panic = "abort"
strip = true

[workspace]
`

const rustBuild = `// Compiles the plugin with cargo and wraps the module as a component.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { componentNew } from '@bytecodealliance/jco-transpile/wasm-tools'

const target = 'wasm32-unknown-unknown'
execFileSync('cargo', ['build', '--release', '--target', target], { cwd: 'plugin', stdio: 'inherit' })
const module = readFileSync(\`plugin/target/\${target}/release/screening.wasm\`)
writeFileSync('plugin/plugin.wasm', await componentNew(module))
`

/** Text by path. */
export function pluginFiles(language: 'javascript' | 'rust'): Readonly<Record<string, string>> {
  if (language === 'javascript') return { 'plugin/plugin.js': javascript }
  return {
    'plugin/Cargo.toml': cargo,
    'plugin/src/lib.rs': rust,
    'plugin/wit/newton-provider.wit': providerWit['0.2'],
    'plugin/build.mjs': rustBuild,
    'plugin/rust-toolchain.toml': '[toolchain]\ntargets = ["wasm32-unknown-unknown"]\n',
  }
}

/** The words that build it. */
export const buildCommand = {
  javascript: 'newton-policy plugin build plugin/plugin.js --out plugin/plugin.wasm',
  rust: 'node plugin/build.mjs',
} as const
