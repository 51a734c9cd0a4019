const { BrokerlessError, Push } = require("brokerless");

const push = new Push();
console.log(push.status, typeof BrokerlessError);
push.close().then(() => console.log(push.status));
