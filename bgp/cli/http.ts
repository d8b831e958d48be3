// Node's HTTP without its names for browsers' code: an import of `node:http` reads all of its names, WebSocket's loads undici, and that
// takes longer than the rest of a short command. (Node 26: lib/http.js, lazyUndici.)

import type * as http from 'node:http'
import { createRequire } from 'node:module'

export const { createServer, request } = createRequire(import.meta.url)('node:http') as typeof http
