// Runs a program to its end.

import { spawn } from 'node:child_process'

/** It ended otherwise than with 0. `message` has its own words. */
export class RunError extends Error {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  constructor(argv: readonly string[], code: number, stdout: string, stderr: string) {
    const words = (stderr.trim() || stdout.trim()).split('\n')
    super(`${argv.slice(0, 6).join(' ')} failed: ${words.slice(0, 3).join('; ') || `exit code ${code}`}`)
    this.name = 'RunError'
    this.code = code
    this.stdout = stdout
    this.stderr = stderr
  }
}

export interface RunOptions {
  readonly input?: string
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly signal?: AbortSignal
}

/** Its standard output. Rejects with `RunError`. */
export function run(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const [command, ...args] = argv
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'pipe', env: options.env ?? process.env, signal: options.signal })
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout.on('data', (data: Buffer) => out.push(data))
    child.stderr.on('data', (data: Buffer) => err.push(data))
    child.on('error', reject)
    child.stdin.on('error', () => {})
    child.stdin.end(options.input ?? '')
    child.on('close', code => {
      const stdout = Buffer.concat(out).toString()
      if (code === 0) resolve(stdout)
      else reject(new RunError(argv, code ?? -1, stdout, Buffer.concat(err).toString()))
    })
  })
}
