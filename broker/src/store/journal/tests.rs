mod power_cut;
mod speed;
