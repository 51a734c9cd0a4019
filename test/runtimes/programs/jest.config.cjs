/** Jest as it is: ES modules with Node's flag, CommonJS where Node and Jest can require ES modules. */
module.exports = {
  moduleFileExtensions: ["js", "mjs", "cjs"],
  testMatch: ["**/jest.test.?js"],
  transform: {},
};
