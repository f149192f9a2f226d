/**
 * The kit that makes a build with ComponentizeJS repeat itself.
 *
 * Its sources of difference are the random name of its work folder, the build time, and the clocks
 * and random bytes that the engine sees while its heap is snapshotted. A preload fixes what Node
 * sees; a small shared library fixes what the native snapshot tool sees, and takes itself out of
 * the environment, which is part of the snapshot.
 */

/** Name of the kit. Whoever rebuilds a plugin needs the same one. */
export const DETERMINISM_KIT = 'newton-det/2'

/** Folder of every build: its path is part of the output. */
export const BUILD_ROOT = '/tmp/newton-plugin-build'

/** Module that Node loads before anything else in the build process. */
export const preloadSource = `
const at = 1577836800000
let tick = 0
Math.random = () => 0.5
const RealDate = Date
globalThis.Date = class extends RealDate {
  constructor(...args) { super(...(args.length === 0 ? [at] : args)) }
  static now() { return at }
}
process.hrtime.bigint = () => BigInt(++tick)
process.hrtime = Object.assign(() => [0, ++tick], process.hrtime)
performance.now = () => ++tick
`

/** The shared library, in C. Only system calls that bring in time or chance are replaced. */
export const shimSource = `
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <time.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/syscall.h>
#include <dlfcn.h>
static const time_t at = 1577836800;
static void fill(void *to, size_t n) { memset(to, 0x2a, n); }
__attribute__((constructor)) static void start(void) { unsetenv("LD_PRELOAD"); }
ssize_t getrandom(void *to, size_t n, unsigned flags) { (void)flags; fill(to, n); return (ssize_t)n; }
int getentropy(void *to, size_t n) { fill(to, n); return 0; }
int clock_gettime(clockid_t id, struct timespec *t) { (void)id; t->tv_sec = at; t->tv_nsec = 0; return 0; }
int gettimeofday(struct timeval *restrict t, void *restrict zone) { (void)zone; t->tv_sec = at; t->tv_usec = 0; return 0; }
time_t time(time_t *t) { if (t) *t = at; return at; }
long syscall(long number, ...) {
  va_list list;
  va_start(list, number);
  long a = va_arg(list, long), b = va_arg(list, long), c = va_arg(list, long);
  long d = va_arg(list, long), e = va_arg(list, long), f = va_arg(list, long);
  va_end(list);
  if (number == SYS_getrandom) { fill((void *)a, (size_t)b); return b; }
  static long (*real)(long, ...);
  if (!real) real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
  return real(number, a, b, c, d, e, f);
}
`

/** Program of the build process. Reads its job as JSON on standard input. */
export const childSource = `
import { writeFile } from 'node:fs/promises'
const chunks = []
for await (const chunk of process.stdin) chunks.push(chunk)
const job = JSON.parse(Buffer.concat(chunks).toString('utf8'))
const { componentize, version } = await import(job.componentize)
const { component } = await componentize(job.source, {
  sourceName: 'plugin.js',
  witWorld: job.wit,
  worldName: 'newton-provider',
  disableFeatures: job.disable,
  env: {},
  ...(job.wizer ? { wizerBin: job.wizer } : {}),
})
await writeFile(job.out, component)
await writeFile(job.out + '.json', JSON.stringify({ version }))
`
