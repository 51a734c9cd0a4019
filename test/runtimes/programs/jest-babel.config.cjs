/** CommonJS tests on any Node: Babel compiles the package, which Jest leaves alone otherwise. */
const commonjs = { plugins: ["@babel/plugin-transform-modules-commonjs"], configFile: false };

module.exports = {
  moduleFileExtensions: ["js", "mjs", "cjs"],
  testMatch: ["**/jest.test.cjs"],
  transform: { "\\.[cm]?js$": ["babel-jest", commonjs] },
  transformIgnorePatterns: ["/node_modules/(?!brokerless/)"],
};
