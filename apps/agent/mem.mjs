const r=()=>(process.memoryUsage.rss()/1048576).toFixed(1);
console.log('base',r());
for(const m of process.argv.slice(2)){ const t=performance.now(); await import(m); global.gc?.(); console.log(m,r(),(performance.now()-t).toFixed(0)+'ms'); }
