// bgp-speaker/bmp: what a speaker knows, told to monitoring stations (RFC 7854, RFC 8671, RFC 9069).

export type { View } from './messages.ts'
export { BmpStation, type MonitoredSpeaker, type StationOptions, type StationSurroundings } from './station.ts'
