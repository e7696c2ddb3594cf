int fastgw_placeholder;
