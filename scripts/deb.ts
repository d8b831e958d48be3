// `npm run deb`: dist/margay_VERSION_ARCH.deb, a Debian package of what dist/ holds (docs/packages.md), made by dpkg-deb alone.
// Node goes into it, for Debian's own is older than margayd needs.

import { execFileSync } from 'node:child_process'
import { hash } from 'node:crypto'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
execFileSync(process.execPath, ['--disable-warning=ExperimentalWarning', 'scripts/build.ts'], { stdio: 'inherit' })

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly version: string }
const architecture = execFileSync('dpkg', ['--print-architecture'], { encoding: 'utf8' }).trim()
const root = mkdtempSync(join(tmpdir(), 'margay-deb-'))
chmodSync(root, 0o755) // it is / in the package

/** Puts a file of this tree into the package. */
function put(from: string, to: string, mode = 0o644): void {
  const place = join(root, to)
  mkdirSync(dirname(place), { recursive: true })
  copyFileSync(from, place)
  chmodSync(place, mode)
}

/** A command: Node with one of the bundles. */
function command(place: string, bundle: string): void {
  mkdirSync(join(root, dirname(place)), { recursive: true })
  writeFileSync(join(root, place), `#!/bin/sh\nexec /usr/lib/margay/node /usr/lib/margay/${bundle} "$@"\n`)
  chmodSync(join(root, place), 0o755)
}

const control = `Package: margay
Version: ${version}
Architecture: ${architecture}
Maintainer: The Margay developers <margay@localhost>
Section: net
Priority: optional
Depends: libc6 (>= 2.28), libstdc++6, libgcc-s1, libatomic1, init-system-helpers (>= 1.52)
Recommends: iproute2
Suggests: containerd, containernetworking-plugins
Description: BGP-routed network for containers
 margayd gives every pod of this node an address on plain IP routes, and speaks BGP to the rack, to route
 reflectors or to the other nodes; margayctl is its command, margay-cni what container runtimes call.
`

try {
  for (const bundle of ['margayd.js', 'margayctl.js', 'store-worker.js'])
    put(`dist/${bundle}`, `usr/lib/margay/${bundle}`)
  for (const addon of globSync('dist/*.node')) put(addon, `usr/lib/margay/${basename(addon)}`)
  cpSync('dist/shared', join(root, 'usr/lib/margay/shared'), { recursive: true })
  put('dist/margay-cni', 'usr/lib/margay/margay-cni', 0o755)
  put('configs/runc/margay-hook', 'usr/lib/margay/margay-hook', 0o755)
  put(process.execPath, 'usr/lib/margay/node', 0o755)
  command('usr/sbin/margayd', 'margayd.js')
  command('usr/bin/margayctl', 'margayctl.js')
  // Where Debian's runtimes look.
  mkdirSync(join(root, 'usr/lib/cni'), { recursive: true })
  symlinkSync('../margay/margay-cni', join(root, 'usr/lib/cni/margay-cni'))
  put('packaging/margayd.service', 'lib/systemd/system/margayd.service')
  put('packaging/margayd.yaml', 'etc/margay/margayd.yaml')
  put('packaging/debian/copyright', 'usr/share/doc/margay/copyright')
  // The pages as they are here, so that their links lead somewhere.
  for (const page of ['README.md', ...globSync(['docs/**/*.{md,svg}', '{cni-plugin,bgp,netlink}/README.md'])])
    put(page, `usr/share/doc/margay/${page}`)
  for (const script of ['postinst', 'prerm', 'postrm']) put(`packaging/debian/${script}`, `DEBIAN/${script}`, 0o755)
  writeFileSync(join(root, 'DEBIAN/conffiles'), '/etc/margay/margayd.yaml\n')
  writeFileSync(join(root, 'DEBIAN/control'), control)
  // What `dpkg -V` compares with.
  const files = globSync('{usr,lib}/**/*', { cwd: root, withFileTypes: true }).filter(entry => entry.isFile())
  const sums = files.map(entry => join(relative(root, entry.parentPath), entry.name)).toSorted()
  const hashed = sums.map(path => `${hash('md5', readFileSync(join(root, path)))}  ${path}\n`)
  writeFileSync(join(root, 'DEBIAN/md5sums'), hashed.join(''))
  const file = `dist/margay_${version}_${architecture}.deb`
  execFileSync('dpkg-deb', ['--root-owner-group', '-Zzstd', '-z9', '--build', root, file], { stdio: 'ignore' })
  console.log(file)
} finally {
  rmSync(root, { recursive: true, force: true })
}
