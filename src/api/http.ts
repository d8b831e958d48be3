// node:http as `require` gives it. An `import` of it reads every export once, WebSocket among them, and so loads an HTTP client that
// nobody here uses: 17 MB of memory and a tenth of a second of each start.

import { createRequire } from 'node:module'
import type * as http from 'node:http'

export const { createServer, request } = createRequire(import.meta.url)('node:http') as typeof http
