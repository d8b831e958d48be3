import t from 'tap'
import { resetText } from './node-reset.ts'

t.test('a setting that goes back says what depends on it', async t => {
  const kernel = { routes: [], pods: [], tunnels: [], stacked: [], lost: [], iptables: [], ports: [], filters: false }
  const text = (value: string) =>
    resetText(
      {
        kernel: {
          ...kernel,
          sysctls: [
            { name: 'net/ipv4/ip_forward', value },
            { name: 'net/ipv4/fib_multipath_hash_policy', value: '0' },
          ],
        },
        files: [],
      },
      { yes: false, state: false },
    )
  t.match(
    text('0'),
    /ip_forward back to 0: this machine forwards for nobody then; set it to 1 again if a container engine/,
  )
  t.match(text('0'), /hash_policy back to 0$/m)
  t.match(text('2'), /ip_forward back to 2$/m)
})
