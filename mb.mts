const root=process.argv[2];
const { Intake } = await import(root+"/lib/journal/intake.ts");
const value=Buffer.alloc(100,7);
async function run(n){
  const intake=new Intake({aheadBytes:2**20,recycles:true,seqNext:1,batchBytesMax:65536,commitBytesMax:2**22,pendingBytesMax:2**24,write:()=>new Promise(r=>setImmediate(r)),store:()=>new Promise(r=>setImmediate(r))});
  const s=process.cpuUsage();
  for(let i=0;i<n;i++){ if(intake.full) await intake.room(); intake.append(value);} await intake.settled();
  const u=process.cpuUsage(s); return (u.user+u.system)*1000/n;
}
await run(1e6); const r=[]; for(let i=0;i<5;i++) r.push((await run(2e6)).toFixed(1)); console.log(root,r.join(" "));
