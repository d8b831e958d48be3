// bgp-speaker/mrt: tables and messages in MRT files (RFC 6396), for bgpdump and others.

export { dumpTables, type Dumped, type DumpOptions, type MrtSink } from './dump.ts'
export { MrtStream, type StreamOptions } from './stream.ts'
