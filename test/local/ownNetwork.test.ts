import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { networkInterfaces } from "node:os";
import { inOwnNetwork } from "../../local/ownNetwork";

const asRoot = process.getuid?.() === 0 ? it : it.skip;

asRoot(
  "a command in a network of its own finds every port free and an address, and says what it ends with",
  async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const code = `
    require("node:net").createServer().listen(${port}, "127.0.0.1", function () {
      console.log(JSON.stringify(Object.values(require("node:os").networkInterfaces()).flat().map(({ address }) => address)));
      this.close();
      process.exitCode = 3;
    });`;
    const [program, ...args] = inOwnNetwork([process.execPath, "-e", code]);
    let ended: { status: number; stdout: string } | undefined;
    try {
      execFileSync(program!, args, { encoding: "utf8" });
    } catch (error) {
      ended = error as typeof ended;
    }
    server.close();
    expect(ended).toMatchObject({ status: 3 });
    const addresses = JSON.parse(ended!.stdout) as string[];
    expect(addresses).toEqual(expect.arrayContaining(["127.0.0.1", "198.51.100.1"]));
    const others = Object.values(networkInterfaces()).flatMap((all) => all!.map(({ address }) => address));
    expect(others).not.toContain("198.51.100.1");
  },
);
