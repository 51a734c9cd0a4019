/** bundle.mjs TOOL FORMAT FILE EXTERNAL...: makes one file of exchange.mjs and all that it imports, but what is external. */
import { basename, dirname, resolve } from "node:path";

const [tool, format, file, ...external] = process.argv.slice(2);
const entry = resolve("exchange.mjs");

const tools = {
  async esbuild() {
    const { build } = await import("esbuild");
    const shared = { entryPoints: [entry], bundle: true, platform: "node", outfile: file };
    await build({ ...shared, format, external });
  },
  async rollup() {
    const { rollup } = await import("rollup");
    const { nodeResolve } = await import("@rollup/plugin-node-resolve");
    const { default: commonjs } = await import("@rollup/plugin-commonjs");
    const plugins = [nodeResolve({ preferBuiltins: true }), commonjs()];
    const bundle = await rollup({ input: entry, external, plugins, onLog: () => {} });
    await bundle.write({ file, format, inlineDynamicImports: true });
    await bundle.close();
  },
  async vite() {
    const { build } = await import("vite");
    await build({
      logLevel: "error",
      ssr: { noExternal: true, external },
      build: {
        ssr: entry,
        outDir: dirname(file),
        rollupOptions: { output: { entryFileNames: basename(file) } },
      },
    });
  },
  async webpack() {
    const { default: webpack } = await import("webpack");
    const isModule = format === "esm";
    const compiler = webpack({
      mode: "production",
      target: "node20",
      entry,
      externals: external.map((name) => ({
        [name]: `${isModule ? "module" : "commonjs"} ${name}`,
      })),
      experiments: { outputModule: isModule },
      output: { path: dirname(resolve(file)), filename: basename(file), module: isModule },
    });
    await new Promise((done, fail) => {
      compiler.run((error, stats) => {
        if (error === null && !stats.hasErrors()) done();
        else fail(error ?? new Error(stats.toString("errors-only")));
      });
    });
  },
};

await tools[tool]();
